# One model, bit for bit, through the program: formats, row orders, threads, partitions, compilers.
if(TARGET quern)
  add_test(NAME same_bits COMMAND ${CMAKE_SOURCE_DIR}/tests/bits/run.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
  add_test(NAME same_bits_kmeans
    COMMAND ${CMAKE_SOURCE_DIR}/tests/bits/kmeans.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
  add_test(NAME same_bits_forest
    COMMAND ${CMAKE_SOURCE_DIR}/tests/bits/forest.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
  set_tests_properties(same_bits same_bits_kmeans same_bits_forest PROPERTIES LABELS bits TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()
