# The command line by script: each x.sh is one test, label cli.
if(TARGET quern)
  # Parts of the program that are tested from within; label cli.
  set(cli_args_test_parts args.c terminal.c)
  set(cli_md5_test_parts md5.c)
  foreach(name IN ITEMS args md5)
    list(TRANSFORM cli_${name}_test_parts PREPEND ${CMAKE_SOURCE_DIR}/src/cli/)
    add_executable(cli_${name}_test ${CMAKE_SOURCE_DIR}/tests/cli/${name}_test.c
      ${cli_${name}_test_parts})
    target_include_directories(cli_${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/support)
    target_link_libraries(cli_${name}_test PRIVATE quern_static PkgConfig::CMOCKA)
    add_test(NAME cli_${name}_test COMMAND cli_${name}_test)
    set_tests_properties(cli_${name}_test PROPERTIES LABELS cli TIMEOUT 60)
  endforeach()
  file(GLOB qn_cli_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.sh)
  list(FILTER qn_cli_scripts EXCLUDE REGEX "/lib\\.sh$")
  foreach(path IN LISTS qn_cli_scripts)
    get_filename_component(name ${path} NAME_WE)
    add_test(NAME cli_${name} COMMAND sh ${path})
    set_tests_properties(cli_${name} PROPERTIES LABELS cli TIMEOUT 300 SKIP_RETURN_CODE 77
      ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR};QN_SHARED=${CMAKE_SOURCE_DIR}/../shared;QN_SANITIZE=${QN_SANITIZE}")
  endforeach()
  # Begun early: with workers whose work is long enough to be struck in the middle.
  set_tests_properties(cli_workers cli_sweep_workers cli_resume_lost PROPERTIES COST 60 TIMEOUT 900)
endif()
