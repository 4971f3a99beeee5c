# Beside real Spark: label `spark`. Needs a JVM; the environments hold PySpark 3.5 and 4.3.
if(TARGET quern)
# Gives the event log's sink the events of runs that are hard to bring about.
add_executable(event_log_feed ${CMAKE_SOURCE_DIR}/tests/spark/event_log_feed.c)
target_link_libraries(event_log_feed PRIVATE quern_static)
foreach(version IN ITEMS 35 43)
foreach(algorithm IN ITEMS als event_log forest forest_dirs kmeans metrics)
  add_test(NAME spark${version}_${algorithm} COMMAND ${CMAKE_SOURCE_DIR}/tests/spark/run.sh spark${version}
    ${CMAKE_SOURCE_DIR}/tests/spark/test_${algorithm}.py)
  set_tests_properties(spark${version}_${algorithm} PROPERTIES COST 30 LABELS spark TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "QN_SHARED=${CMAKE_SOURCE_DIR}/../shared;QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_FEED=$<TARGET_FILE:event_log_feed>")
endforeach()
endforeach()
endif()
