# The commands of the README and of docs/workers.md, run as they stand there.
if(TARGET quern)
  add_test(NAME readme_commands
    COMMAND ${CMAKE_SOURCE_DIR}/tests/readme/run.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
  set_tests_properties(readme_commands PROPERTIES LABELS readme TIMEOUT 300 SKIP_RETURN_CODE 77)
  add_test(NAME readme_workers COMMAND sh ${CMAKE_SOURCE_DIR}/tests/readme/run.sh ${CMAKE_BINARY_DIR}
    ${CMAKE_SOURCE_DIR} docs/workers.md 6)
  set_tests_properties(readme_workers PROPERTIES LABELS mpi TIMEOUT 300 SKIP_RETURN_CODE 77)
  add_test(NAME readme_scale COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/readme/scale.py
    $<TARGET_FILE:quern> ${CMAKE_SOURCE_DIR}/docs/scale.md)
  set_tests_properties(readme_scale PROPERTIES LABELS readme TIMEOUT 60)
  add_test(NAME readme_messages
    COMMAND sh ${CMAKE_SOURCE_DIR}/tests/readme/messages.sh ${CMAKE_SOURCE_DIR} docs/workers.md)
  set_tests_properties(readme_messages PROPERTIES LABELS readme TIMEOUT 60)
endif()
