# What `cmake --install` puts where: program, library, headers, Parquet module with DuckDB beside it, and
# the files by which pkg-config and CMake find them.
include(CMakePackageConfigHelpers)

set_target_properties(quern_shared PROPERTIES EXPORT_NAME quern)
target_include_directories(quern_shared INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS quern_shared EXPORT quern-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/quern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET quern)
  install(TARGETS quern RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET quern_duckdb)
  install(TARGETS quern_duckdb LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/quern)
  install(FILES ${QN_DUCKDB_DIR}/libduckdb.so DESTINATION ${CMAKE_INSTALL_LIBDIR}/quern)
endif()

# Each in a package of its own, which alone depends on that MPI.
foreach(module IN LISTS qn_comm_modules)
  string(REPLACE quern_comm_ "" flavour ${module})
  install(TARGETS ${module} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/quern COMPONENT ${flavour})
endforeach()

install(EXPORT quern-targets NAMESPACE quern:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/quern)
file(WRITE ${CMAKE_BINARY_DIR}/quern-config.cmake
  "include(\"\${CMAKE_CURRENT_LIST_DIR}/quern-targets.cmake\")\n")
write_basic_package_version_file(${CMAKE_BINARY_DIR}/quern-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/quern-config.cmake ${CMAKE_BINARY_DIR}/quern-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/quern)

# Relative to where the file lies, so that a tree can be installed anywhere and moved.
file(RELATIVE_PATH QN_PC_TO_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
file(WRITE ${CMAKE_BINARY_DIR}/quern.pc.in
"prefix=\${pcfiledir}/@QN_PC_TO_PREFIX@
libdir=\${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: quern
Description: machine learning on data larger than memory, readable to Spark
Version: @PROJECT_VERSION@
Libs: -L\${libdir} -lquern
Cflags: -I\${includedir}
")
configure_file(${CMAKE_BINARY_DIR}/quern.pc.in ${CMAKE_BINARY_DIR}/quern.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/quern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# `make package`: a .deb and a .tar.gz of what is installed.
set(CPACK_PACKAGE_NAME quern)
set(CPACK_PACKAGE_VENDOR quern)
set(CPACK_PACKAGE_CONTACT "Quern developers <quern@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "machine learning on data larger than memory, readable to Spark")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${QN_DUCKDB_DIR})
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME quern)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SUGGESTS "gnuplot-nox, quern-openmpi | quern-mpich") # pictures, several workers
foreach(flavour IN ITEMS openmpi mpich)
  string(TOUPPER ${flavour} part)
  set(CPACK_DEBIAN_${part}_PACKAGE_NAME quern-${flavour})
  set(CPACK_DEBIAN_${part}_PACKAGE_DEPENDS "quern (= ${PROJECT_VERSION})")
  set(CPACK_COMPONENT_${part}_DESCRIPTION "Quern's workers over this MPI")
endforeach()
set(CPACK_DEBIAN_OPENMPI_PACKAGE_RECOMMENDS openmpi-bin)
set(CPACK_DEBIAN_MPICH_PACKAGE_RECOMMENDS mpich)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
if(TARGET quern)
  # Man pages and completions are made from the parameter tables by the program itself.
  install(CODE "
    set(man \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1\")
    set(share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
    execute_process(COMMAND ${CMAKE_SOURCE_DIR}/packaging/install-pages.sh
      $<TARGET_FILE:quern> \"\${man}\" \"\${share}\" COMMAND_ERROR_IS_FATAL ANY)")
endif()
include(CPack)
