# The compiler's flags: strict warnings everywhere, hardening in release, one sanitizer at a time.
add_compile_definitions(_GNU_SOURCE)
add_compile_options(
    "$<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wpedantic;-Werror;-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes;-Wvla;-Wwrite-strings;-Wformat=2;-Wundef;-fno-common>")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_options(
        "$<$<COMPILE_LANGUAGE:C>:-g1;-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3;-fstack-protector-strong;-fstack-clash-protection>")
    add_link_options(-Wl,-z,relro,-z,now)
endif()
if(ARENA_SANITIZE)
    add_compile_options(-fsanitize=${ARENA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${ARENA_SANITIZE})
endif()
if(ARENA_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# What the tests call this build: release, debug, asan or tsan.
if(ARENA_SANITIZE MATCHES "address")
    set(ARENA_VARIANT asan)
elseif(ARENA_SANITIZE MATCHES "thread")
    set(ARENA_VARIANT tsan)
else()
    string(TOLOWER "${CMAKE_BUILD_TYPE}" ARENA_VARIANT)
endif()
