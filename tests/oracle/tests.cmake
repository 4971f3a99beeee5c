# Property tests against numpy, in an environment that packaging/setup-python.sh makes.
if(TARGET quern)
add_test(NAME oracle COMMAND ${CMAKE_SOURCE_DIR}/tests/python.sh oracle
  -m pytest -q -p no:cacheprovider ${CMAKE_SOURCE_DIR}/tests/oracle)
set_tests_properties(oracle PROPERTIES COST 90 LABELS oracle TIMEOUT 600 SKIP_RETURN_CODE 77
  ENVIRONMENT "QN_SHARED=${CMAKE_SOURCE_DIR}/../shared;QN_QUERN=${CMAKE_BINARY_DIR}/quern")
endif()
