# Benchmarks: every bench/x.c is a program bench_x.
file(GLOB qn_bench CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.c)
foreach(path IN LISTS qn_bench)
  get_filename_component(name ${path} NAME_WE)
  add_executable(bench_${name} ${path})
  target_link_libraries(bench_${name} PRIVATE quern_static)
endforeach()
