//! Thin binary: everything lives in the library.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Threads of the tensor library's two pools. Its matrices are small here, so that one thread is
/// fastest; and unless the first is set, it reads /proc/cpuinfo at every multiplication.
const THREADS: [&str; 2] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];

fn main() -> ExitCode {
    if let Some(code) = sagetop::lab::standin::main(std::env::args_os()) {
        return code;
    }
    if THREADS.iter().any(|name| std::env::var_os(name).is_none()) {
        restart();
    }
    sagetop::commands::main(std::env::args_os()).into()
}

/// Replaces the process by itself with the variables set: setting them in a running process is
/// unsound. Comes back only if that failed, and then the program is merely slower.
fn restart() {
    let Ok(program) = std::env::current_exe() else { return };
    let mut args = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command.args(args);
    for name in THREADS {
        command.env(name, std::env::var_os(name).unwrap_or_else(|| "1".into()));
    }
    let _ = command.exec();
}
