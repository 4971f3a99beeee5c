# deploy/ as far as it can be checked without a cluster; label cli.
if(TARGET quern)
  add_test(NAME deploy COMMAND sh ${CMAKE_SOURCE_DIR}/tests/deploy/run.sh)
  set_tests_properties(deploy PROPERTIES LABELS cli TIMEOUT 120
    ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endif()
