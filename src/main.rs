//! Thin binary: everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sagetop::commands::main(std::env::args_os()).into()
}
