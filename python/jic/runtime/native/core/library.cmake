# The library of jic.h, shared and static, and a CMake package: find_package(jic) gives jic::jic (shared) and jic::jic_static.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
find_package(Threads REQUIRED)

add_library(jic_objects OBJECT ${core})
set_target_properties(jic_objects PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON)
target_include_directories(jic_objects PUBLIC "${native}/core/include")
target_compile_options(jic_objects PRIVATE -Wall -Wextra)

foreach(kind IN ITEMS SHARED STATIC)
  string(TOLOWER "jic_${kind}" library)
  add_library(${library} ${kind} $<TARGET_OBJECTS:jic_objects>)
  set_target_properties(${library} PROPERTIES OUTPUT_NAME jic)
  target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${library} PUBLIC Threads::Threads ${CMAKE_DL_LIBS})
endforeach()
# Its threads may still wait for work when a program closes the library: it stays.
target_link_options(jic_shared PRIVATE -Wl,-z,nodelete)
set_target_properties(jic_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME jic)

install(TARGETS jic_shared jic_static EXPORT jic-targets)
install(FILES "${native}/core/include/jic.h" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/jic")
install(EXPORT jic-targets NAMESPACE jic:: DESTINATION ${package})
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/jic-config.cmake"
     "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\ninclude(\"\${CMAKE_CURRENT_LIST_DIR}/jic-targets.cmake\")\n")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/jic-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/jic-config.cmake" "${CMAKE_CURRENT_BINARY_DIR}/jic-config-version.cmake"
        DESTINATION ${package})
