# Checks that need no tool beyond a shell run with every `make test`.
foreach(check IN ITEMS layers sizes words)
  add_test(NAME check_${check} COMMAND ${CMAKE_SOURCE_DIR}/tests/check/check.sh ${check})
  set_tests_properties(check_${check} PROPERTIES LABELS check)
endforeach()
