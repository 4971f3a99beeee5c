# Unit tests: every src/**/x_test.c is one cmocka program and one ctest test with label `unit`.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
foreach(path IN LISTS qn_tests)
  get_filename_component(name ${path} NAME_WE)
  add_executable(${name} ${path})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support)
  target_link_libraries(${name} PRIVATE quern_static PkgConfig::CMOCKA)
  if(TARGET quern_duckdb)
    add_dependencies(${name} quern_duckdb)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "QN_SHARED=${CMAKE_SOURCE_DIR}/../shared;QN_SOURCE_DIR=${CMAKE_SOURCE_DIR};QN_BUILD_DIR=${CMAKE_BINARY_DIR}")
endforeach()
# Whatever else there is to test (command line, checks, oracles) adds itself here.
file(GLOB qn_test_lists CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/tests.cmake)
foreach(list IN LISTS qn_test_lists)
  include(${list})
endforeach()
