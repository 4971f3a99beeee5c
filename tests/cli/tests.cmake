# The command line by script: each x.sh is one test, label cli.
if(TARGET quern)
  add_executable(cli_args_test ${CMAKE_SOURCE_DIR}/tests/cli/args_test.c
    ${CMAKE_SOURCE_DIR}/src/cli/args.c ${CMAKE_SOURCE_DIR}/src/cli/terminal.c)
  target_include_directories(cli_args_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/support)
  target_link_libraries(cli_args_test PRIVATE quern_static PkgConfig::CMOCKA)
  add_test(NAME cli_args_test COMMAND cli_args_test)
  set_tests_properties(cli_args_test PROPERTIES LABELS cli TIMEOUT 60)
  file(GLOB qn_cli_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli/*.sh)
  list(FILTER qn_cli_scripts EXCLUDE REGEX "/lib\\.sh$")
  foreach(path IN LISTS qn_cli_scripts)
    get_filename_component(name ${path} NAME_WE)
    add_test(NAME cli_${name} COMMAND sh ${path})
    set_tests_properties(cli_${name} PROPERTIES LABELS cli TIMEOUT 300 SKIP_RETURN_CODE 77
      ENVIRONMENT "QN_QUERN=${CMAKE_BINARY_DIR}/quern;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR};QN_SHARED=${CMAKE_SOURCE_DIR}/../shared")
  endforeach()
endif()
