# deploy/quern.sbatch on a Slurm of the test's own; label slurm. Needs root, Slurm and munge.
if(TARGET quern AND NOT QN_SANITIZE)
  add_test(NAME slurm_sbatch COMMAND bash ${CMAKE_SOURCE_DIR}/tests/slurm/run.sh)
  set_tests_properties(slurm_sbatch PROPERTIES LABELS slurm TIMEOUT 300 SKIP_RETURN_CODE 77 RUN_SERIAL ON
    ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endif()
