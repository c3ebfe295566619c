//! Link settings of the addon.

fn main() {
    napi_build::setup();
    // Compute threads outlive an environment: the library stays mapped when a worker that loaded it ends.
    let system = std::env::var("CARGO_CFG_TARGET_OS");
    if system.as_deref() == Ok("macos") {
        // Without a name, the library has that of the folder it was built in.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/cellstate.node");
    }
    if system.as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // The names of functions are a sixth of the file.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-s");
    }
}
