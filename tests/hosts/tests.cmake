# Workers on several hosts, which are network namespaces: label `hosts`. Root, ip and Open MPI are needed; without them
# the tests are skipped. QN_KILLS is how many random kills there are.
if(TARGET quern AND NOT QN_SANITIZE AND NOT QN_FUZZ)
  foreach(script IN ITEMS plain deaths silence limits kills)
    add_test(NAME hosts_${script} COMMAND sh ${CMAKE_SOURCE_DIR}/tests/hosts/${script}.sh)
    set_tests_properties(hosts_${script} PROPERTIES LABELS hosts TIMEOUT 3600 SKIP_RETURN_CODE 77 RUN_SERIAL ON
      ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern")
  endforeach()
endif()
