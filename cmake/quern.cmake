# How the house is built: one object library of all rooms, from which the program, the library, the
# module and the tests are linked. A new file is picked up by its place and name:
#   src/<room>/**/x.c          part of the library          x_test.c   a unit test beside it
#   src/kernels/x_avx2.c       compiled for that set        src/cli/   the program
#   src/data/duckdb/           the module libquern_duckdb   src/engine/comm_mpi.c  those of MPI
#                                                        tests/fuzz/x_fuzz.c  a fuzzer

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(QN_DEPS REQUIRED IMPORTED_TARGET jansson libxxhash libzstd libarchive)

add_library(qn_flags INTERFACE)
target_compile_definitions(qn_flags INTERFACE _GNU_SOURCE QN_VERSION="${PROJECT_VERSION}")
target_include_directories(qn_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
# No contraction and no fast-math: bits are promised. Frame pointers cost nothing here and help gdb.
target_compile_options(qn_flags INTERFACE -ffp-contract=off -fno-omit-frame-pointer
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
  -Wno-missing-field-initializers $<$<BOOL:${QN_WERROR}>:-Werror>)
target_link_libraries(qn_flags INTERFACE PkgConfig::QN_DEPS Threads::Threads ${CMAKE_DL_LIBS} m)
# Workers on several hosts tell by it whether they are one program.
target_link_options(qn_flags INTERFACE -Wl,--build-id)
if(QN_SANITIZE)
  target_compile_options(qn_flags INTERFACE -fsanitize=${QN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(qn_flags INTERFACE -fsanitize=${QN_SANITIZE})
endif()

file(GLOB_RECURSE qn_all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.c)
set(qn_tests ${qn_all})
list(FILTER qn_tests INCLUDE REGEX "_test\\.c$")
set(qn_sources ${qn_all})
list(FILTER qn_sources EXCLUDE REGEX "_test\\.c$|/src/cli/|/src/data/duckdb/|/src/engine/comm_mpi\\.c")
file(GLOB qn_cli CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.c)
list(FILTER qn_cli EXCLUDE REGEX "_test\\.c$")
file(GLOB qn_duckdb CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/data/duckdb/*.c)

# Vector kernel sets exist on x86-64 only; elsewhere the reference set serves.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_definitions(qn_flags INTERFACE QN_X86_64=1)
  file(GLOB qn_avx2 ${CMAKE_SOURCE_DIR}/src/kernels/*_avx2.c)
  file(GLOB qn_avx512 ${CMAKE_SOURCE_DIR}/src/kernels/*_avx512.c)
  set_source_files_properties(${qn_avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
  set_source_files_properties(${qn_avx512} PROPERTIES
    COMPILE_OPTIONS "-mavx2;-mfma;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl")
  if(QN_FUZZ)
    # No byte from outside reaches a kernel unchecked, and clang needs minutes to instrument them.
    set_property(SOURCE ${qn_avx2} ${qn_avx512} APPEND PROPERTY COMPILE_OPTIONS "-fno-sanitize=all")
  endif()
else()
  list(FILTER qn_sources EXCLUDE REGEX "_avx(2|512)\\.c$")
endif()

# A hash of what program and modules must agree on: every struct that passes between them and the base
# objects that both carry. base/module.c refuses a module with another one.
file(GLOB qn_layout_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/quern/*.h
  ${CMAKE_SOURCE_DIR}/src/base/*.[ch] ${CMAKE_SOURCE_DIR}/src/kernels/kernels.h
  ${CMAKE_SOURCE_DIR}/src/engine/*.h ${CMAKE_SOURCE_DIR}/src/data/*.h)
list(FILTER qn_layout_sources EXCLUDE REGEX "_test\\.c$")
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/generated/qn_layout.h
  COMMAND ${CMAKE_COMMAND} "-DOUT=${CMAKE_BINARY_DIR}/generated/qn_layout.h"
          "-DSOURCES=${qn_layout_sources}" -P ${CMAKE_SOURCE_DIR}/cmake/layout.cmake
  DEPENDS ${qn_layout_sources} ${CMAKE_SOURCE_DIR}/cmake/layout.cmake VERBATIM)
add_custom_target(qn_layout DEPENDS ${CMAKE_BINARY_DIR}/generated/qn_layout.h)
target_include_directories(qn_flags INTERFACE ${CMAKE_BINARY_DIR}/generated)

add_library(qn_objects OBJECT ${qn_sources})
target_link_libraries(qn_objects PUBLIC qn_flags)
add_dependencies(qn_objects qn_layout)

# libquern: what a C program links. Only qn_ names marked QN_API are visible.
add_library(quern_shared SHARED $<TARGET_OBJECTS:qn_objects>)
target_link_libraries(quern_shared PRIVATE qn_flags)
target_include_directories(quern_shared INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
set_target_properties(quern_shared PROPERTIES OUTPUT_NAME quern VERSION ${PROJECT_VERSION} SOVERSION 0)
add_library(quern_static STATIC $<TARGET_OBJECTS:qn_objects>)
target_link_libraries(quern_static PUBLIC qn_flags)
set_target_properties(quern_static PROPERTIES OUTPUT_NAME quern)

if(qn_cli)
  add_executable(quern ${qn_cli})
  target_link_libraries(quern PRIVATE quern_static)
endif()

# The Parquet module carries its own copy of the base objects it calls: there are no globals, all state
# is in the context that it is handed.
if(qn_duckdb AND EXISTS ${QN_DUCKDB_DIR}/duckdb.h)
  add_library(duckdb SHARED IMPORTED)
  set_target_properties(duckdb PROPERTIES IMPORTED_LOCATION ${QN_DUCKDB_DIR}/libduckdb.so
    IMPORTED_SONAME libduckdb.so INTERFACE_INCLUDE_DIRECTORIES ${QN_DUCKDB_DIR})
  add_library(quern_duckdb MODULE ${qn_duckdb})
  target_link_libraries(quern_duckdb PRIVATE quern_static duckdb)
  set_target_properties(quern_duckdb PROPERTIES BUILD_RPATH "${QN_DUCKDB_DIR};$ORIGIN"
    INSTALL_RPATH "$ORIGIN")
  target_link_options(quern_duckdb PRIVATE -Wl,--exclude-libs,ALL)
endif()

include(cmake/mpi.cmake)

if(QN_TESTS)
  enable_testing()
  include(cmake/tests.cmake)
endif()
if(QN_BENCH)
  include(cmake/bench.cmake OPTIONAL)
endif()
if(QN_FUZZ)
  include(cmake/fuzz.cmake OPTIONAL)
endif()
include(cmake/install.cmake OPTIONAL)
