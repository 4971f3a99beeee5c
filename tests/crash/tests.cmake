# A run is killed after each call that changes files, or that call fails; label cli.
if(TARGET quern AND NOT QN_SANITIZE AND NOT QN_FUZZ)
  add_library(qn_crash_shim MODULE ${CMAKE_SOURCE_DIR}/tests/crash/shim.c)
  target_compile_definitions(qn_crash_shim PRIVATE _GNU_SOURCE)
  target_link_libraries(qn_crash_shim PRIVATE ${CMAKE_DL_LIBS})
  add_executable(qn_crash_steps ${CMAKE_SOURCE_DIR}/tests/crash/steps.c)
  target_link_libraries(qn_crash_steps PRIVATE quern_static)
  find_package(Python3 COMPONENTS Interpreter)
  if(Python3_FOUND)
    foreach(name IN ITEMS steps commands random_kills resume)
      if(EXISTS ${CMAKE_SOURCE_DIR}/tests/crash/test_${name}.py)
        add_test(NAME crash_${name}
          COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tests/crash/test_${name}.py)
        set_tests_properties(crash_${name} PROPERTIES COST 60 LABELS cli TIMEOUT 3600 SKIP_RETURN_CODE 77
          ENVIRONMENT "QN_QUERN=$<TARGET_FILE:quern>;QN_STEPS=$<TARGET_FILE:qn_crash_steps>;QN_SHIM=$<TARGET_FILE:qn_crash_shim>")
      endif()
    endforeach()
  endif()
endif()
