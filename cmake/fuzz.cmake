# Fuzzers, with clang: every tests/fuzz/x_fuzz.c is one program with the seeds of tests/fuzz/corpus/x and
# one ctest test with label `fuzz`. New inputs that a run finds go to the build tree.
set(QN_FUZZ_SECONDS 60 CACHE STRING "seconds that each fuzzer runs")

if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "QN_FUZZ needs clang: set CMAKE_C_COMPILER")
endif()
target_compile_options(qn_flags INTERFACE -fsanitize=fuzzer-no-link)
if(NOT QN_SANITIZE)
  target_compile_options(qn_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(qn_flags INTERFACE -fsanitize=address,undefined)
endif()

file(GLOB qn_fuzzers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
foreach(path IN LISTS qn_fuzzers)
  get_filename_component(name ${path} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" subject ${name})
  set(found ${CMAKE_BINARY_DIR}/fuzz/${subject})
  set(seeds ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${subject})
  file(MAKE_DIRECTORY ${found})
  if(NOT EXISTS ${seeds})
    set(seeds "")
  endif()
  add_executable(${name} ${path})
  target_link_libraries(${name} PRIVATE quern_static)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_test(NAME ${name}
    COMMAND ${name} -max_total_time=${QN_FUZZ_SECONDS} -timeout=20 -rss_limit_mb=2048 -max_len=4096 -len_control=0
            -print_final_stats=1 -artifact_prefix=${CMAKE_BINARY_DIR}/fuzz/${subject}- ${found} ${seeds})
  math(EXPR limit "${QN_FUZZ_SECONDS} + 120")
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT ${limit})
endforeach()
