# The examples, built from an installed copy with public headers only, and run.
if(TARGET quern)
add_test(NAME example_recommend
  COMMAND ${CMAKE_SOURCE_DIR}/tests/examples/installed.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
set_tests_properties(example_recommend PROPERTIES LABELS examples TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()
