# -DOUT=FILE -DSOURCES=LIST -P layout.cmake: writes FILE with one hash of all of LIST, and only if it differs.
foreach(path IN LISTS SOURCES)
  file(SHA256 ${path} one)
  string(APPEND all ${one})
endforeach()
string(SHA256 hash "${all}")
string(SUBSTRING ${hash} 0 32 hash)
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define QN_LAYOUT \"${hash}\"\n")
