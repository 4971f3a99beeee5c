# Workers over MPI: label `mpi`. Each script runs once for each MPI; what is not installed is skipped.
if(TARGET quern)
  foreach(flavour IN ITEMS openmpi mpich)
    foreach(script IN ITEMS digests jobs)
      add_test(NAME mpi_${script}_${flavour} COMMAND sh ${CMAKE_SOURCE_DIR}/tests/mpi/${script}.sh ${flavour})
      set_tests_properties(mpi_${script}_${flavour} PROPERTIES LABELS mpi TIMEOUT 900 SKIP_RETURN_CODE 77
        RUN_SERIAL ON ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
    endforeach()
  endforeach()
endif()
