//! The thin binary: everything is in the library.

fn main() -> xtask::exit_code::ExitCode {
    xtask::cli::main()
}
