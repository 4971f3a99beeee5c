# The README's commands, run as they stand there.
if(TARGET quern)
  add_test(NAME readme_commands
    COMMAND ${CMAKE_SOURCE_DIR}/tests/readme/run.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
  set_tests_properties(readme_commands PROPERTIES LABELS readme TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
