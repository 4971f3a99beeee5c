# The examples, built from an installed copy with public headers only, and run.
if(TARGET quern)
add_test(NAME examples_installed
  COMMAND ${CMAKE_SOURCE_DIR}/tests/examples/installed.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_test(NAME example_susy
  COMMAND ${CMAKE_SOURCE_DIR}/tests/examples/susy.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_test(NAME example_etl
  COMMAND ${CMAKE_SOURCE_DIR}/tests/examples/etl.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_test(NAME example_fractal
  COMMAND ${CMAKE_SOURCE_DIR}/tests/examples/fractal.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
set_tests_properties(examples_installed example_susy example_fractal example_etl PROPERTIES LABELS examples TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()
