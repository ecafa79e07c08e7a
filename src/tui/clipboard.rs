//! Copying: to the clipboard of the user's terminal, which may be on another machine, and to a file, because
//! no terminal tells whether it took it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Longest text that is sent, in bytes: in Base64 it stays below the 100,000 bytes at which xterm and what is
/// modelled on it stop reading a sequence.
const LONGEST: usize = 74_000;
/// Longest piece within one device control string: GNU screen takes 768 bytes at most.
const PIECE: usize = 512;

/// What stands between the program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nothing.
    Nothing,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

impl Between {
    /// By the environment of the process.
    pub fn of_environment() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match (set("TMUX"), set("STY")) {
            (true, _) => Self::Tmux,
            (false, true) => Self::Screen,
            (false, false) => Self::Nothing,
        }
    }
}

/// What came of copying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Whether it was sent to the terminal; otherwise it is too long for that.
    pub sent: bool,
    /// The file it was written to, or why it was not; `None` if there is no place for one.
    pub file: Option<Result<PathBuf, String>>,
}

/// What sets the clipboard of a terminal (OSC 52); `None` if `text` is too long for it.
pub fn sequence(text: &str, between: Between) -> Option<Vec<u8>> {
    if text.len() > LONGEST {
        return None;
    }
    let plain = format!("\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text)).into_bytes();
    Some(match between {
        Between::Nothing => plain,
        // tmux takes the sequence itself with `set-clipboard on`, and hands on what is wrapped with
        // `allow-passthrough on`: one of them suffices.
        Between::Tmux => {
            let mut both = plain.clone();
            both.extend_from_slice(b"\x1bPtmux;");
            for byte in plain {
                if byte == b'\x1b' {
                    both.push(byte);
                }
                both.push(byte);
            }
            both.extend_from_slice(b"\x1b\\");
            both
        }
        Between::Screen => {
            let pieces = plain.chunks(PIECE).map(|piece| [b"\x1bP", piece, b"\x1b\\"].concat());
            pieces.collect::<Vec<_>>().concat()
        }
    })
}

/// Copies `text` to the terminal at the end of `out`, and to `file`.
///
/// # Errors
/// The terminal does not take it. A file that cannot be written is told in the result.
pub fn copy(text: &str, out: &mut impl Write, between: Between, file: Option<&Path>) -> io::Result<Copied> {
    let bytes = sequence(text, between);
    if let Some(bytes) = &bytes {
        out.write_all(bytes)?;
        out.flush()?;
    }
    let file = file.map(|path| match write(path, text) {
        Ok(()) => Ok(path.to_owned()),
        Err(error) => Err(format!("cannot write {}: {error}", path.display())),
    });
    Ok(Copied { sent: bytes.is_some(), file })
}

/// Verdicts name hosts and commands: only the user may read them.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // One of an earlier copy may have been opened up, and a link must not be followed.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    if text.ends_with('\n') { Ok(()) } else { file.write_all(b"\n") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_sequence_is_wrapped_for_what_stands_between() {
        let of = |between| sequence("p99 = 642 ms", between).unwrap();
        let plain = "\x1b]52;c;cDk5ID0gNjQyIG1z\x07";
        assert_eq!(text(&of(Between::Nothing)), plain);
        let wrapped = "\x1bPtmux;\x1b\x1b]52;c;cDk5ID0gNjQyIG1z\x07\x1b\\";
        assert_eq!(text(&of(Between::Tmux)), format!("{plain}{wrapped}"));
        assert_eq!(text(&of(Between::Screen)), format!("\x1bP{plain}\x1b\\"));
    }

    #[test]
    fn screen_gets_pieces_it_can_take_and_all_of_them() {
        let all = sequence(&"x".repeat(5000), Between::Screen).unwrap();
        let pieces: Vec<_> =
            text(&all).split("\x1bP").skip(1).map(|p| p.strip_suffix("\x1b\\").unwrap()).collect();
        assert!(pieces.len() > 10 && pieces.iter().all(|p| p.len() + 4 <= 768));
        let plain = sequence(&"x".repeat(5000), Between::Nothing).unwrap();
        assert_eq!(pieces.concat(), text(&plain));
    }

    #[test]
    fn what_is_too_long_is_not_sent_in_part() {
        let longest = sequence(&"x".repeat(LONGEST), Between::Nothing).unwrap();
        assert!(longest.len() < 100_000);
        assert_eq!(sequence(&"x".repeat(LONGEST + 1), Between::Nothing), None);
        let folder = tempfile::tempdir().unwrap();
        let (file, mut out) = (folder.path().join("copied.txt"), Vec::new());
        let long = "x".repeat(LONGEST + 1);
        let copied = copy(&long, &mut out, Between::Nothing, Some(&file)).unwrap();
        assert_eq!(copied, Copied { sent: false, file: Some(Ok(file.clone())) });
        assert!(out.is_empty());
        assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), long);
    }

    #[test]
    fn the_file_is_the_users_alone_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("copied.txt"), folder.path().join("other"));
        fs::write(&other, "untouched").unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        copy("a verdict", &mut Vec::new(), Between::Nothing, Some(&file)).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a verdict\n");
        assert_eq!(fs::read_to_string(&other).unwrap(), "untouched");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let nowhere = folder.path().join("no/copied.txt");
        let copied = copy("x", &mut Vec::new(), Between::Nothing, Some(&nowhere)).unwrap();
        let why = copied.file.unwrap().unwrap_err();
        assert!(copied.sent && why.contains("no/copied.txt: No such file"), "{why}");
    }
}
