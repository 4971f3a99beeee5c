# Workers over MPI: label `mpi`. Each script runs once for each MPI; what is not installed is skipped.
if(TARGET quern)
  add_executable(mpi_ranks ${CMAKE_SOURCE_DIR}/tests/mpi/ranks.c)
  target_link_libraries(mpi_ranks PRIVATE quern_static)
  if(qn_comm_modules)
    add_dependencies(mpi_ranks ${qn_comm_modules})
  endif()
  foreach(flavour IN ITEMS openmpi mpich)
    foreach(script IN ITEMS collectives faults digests jobs resume)
      add_test(NAME mpi_${script}_${flavour} COMMAND sh ${CMAKE_SOURCE_DIR}/tests/mpi/${script}.sh ${flavour})
      set_tests_properties(mpi_${script}_${flavour} PROPERTIES LABELS mpi TIMEOUT 900 SKIP_RETURN_CODE 77
        RUN_SERIAL ON ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
    endforeach()
  endforeach()
  # With more workers than this machine has cores, which MPICH does not bear.
  foreach(script IN ITEMS sweep soak)
    add_test(NAME mpi_${script} COMMAND sh ${CMAKE_SOURCE_DIR}/tests/mpi/${script}.sh openmpi)
    set_tests_properties(mpi_${script} PROPERTIES LABELS mpi TIMEOUT 600 SKIP_RETURN_CODE 77 RUN_SERIAL ON
      ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
  endforeach()
endif()
