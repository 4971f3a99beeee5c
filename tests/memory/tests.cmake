# Runs under a memory limit: what is promised by --memory is held where the kernel kills who exceeds it. Label
# memory; skipped where no memory cgroup can be made.
if(NOT QN_SANITIZE AND NOT QN_FUZZ)
  add_executable(store_passes ${CMAKE_SOURCE_DIR}/tests/memory/store_passes.c)
  target_link_libraries(store_passes PRIVATE quern_static)
  add_test(NAME memory_store COMMAND ${CMAKE_SOURCE_DIR}/tests/memory/store.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(memory_store PROPERTIES LABELS memory TIMEOUT 600 SKIP_RETURN_CODE 77)
  add_test(NAME memory_ratings COMMAND ${CMAKE_SOURCE_DIR}/tests/memory/ratings.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(memory_ratings PROPERTIES LABELS memory TIMEOUT 900 SKIP_RETURN_CODE 77)
  add_test(NAME memory_tables COMMAND ${CMAKE_SOURCE_DIR}/tests/memory/tables.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(memory_tables PROPERTIES LABELS memory TIMEOUT 600 SKIP_RETURN_CODE 77)
  add_test(NAME memory_killed COMMAND ${CMAKE_SOURCE_DIR}/tests/memory/killed.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(memory_killed PROPERTIES LABELS memory TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
