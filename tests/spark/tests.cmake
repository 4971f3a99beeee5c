# Beside real Spark: label `spark`. Needs a JVM; the environments hold PySpark 3.5 and 4.3.
if(TARGET quern)
foreach(version IN ITEMS 35 43)
foreach(algorithm IN ITEMS als forest forest_dirs kmeans metrics)
  add_test(NAME spark${version}_${algorithm} COMMAND ${CMAKE_SOURCE_DIR}/tests/spark/run.sh spark${version}
    ${CMAKE_SOURCE_DIR}/tests/spark/test_${algorithm}.py)
  set_tests_properties(spark${version}_${algorithm} PROPERTIES COST 30 LABELS spark TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "QN_SHARED=${CMAKE_SOURCE_DIR}/../shared;QN_QUERN=${CMAKE_BINARY_DIR}/quern")
endforeach()
endforeach()
endif()
