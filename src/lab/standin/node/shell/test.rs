//! `test`, also called `[`.

use super::Shell;

/// The exit code of `test` with these arguments.
pub fn tests_of(shell: &Shell<'_>, arguments: &[String]) -> i32 {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match any(shell, &words) {
        Some(true) => 0,
        Some(false) => 1,
        None => 2,
    }
}

fn any(shell: &Shell<'_>, words: &[&str]) -> Option<bool> {
    if words.len() > 3
        && let Some(at) = words.iter().position(|word| *word == "-o")
    {
        return Some(any(shell, &words[..at])? || any(shell, &words[at + 1..])?);
    }
    if words.len() > 3
        && let Some(at) = words.iter().position(|word| *word == "-a")
    {
        return Some(any(shell, &words[..at])? && any(shell, &words[at + 1..])?);
    }
    one(shell, words)
}

fn one(shell: &Shell<'_>, words: &[&str]) -> Option<bool> {
    let machine = &*shell.machine;
    let number = |text: &str| text.trim().parse::<i64>().ok();
    Some(match words {
        [] => false,
        [word] => !word.is_empty(),
        ["!", rest @ ..] => !one(shell, rest)?,
        ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        ["-e", path] => machine.exists(path),
        ["-f", path] => machine.exists(path) && !machine.is_folder(path),
        ["-d", path] => machine.is_folder(path),
        ["-s", path] => machine.read(path).is_ok_and(|text| !text.is_empty()),
        ["-r", path] => machine.exists(path),
        ["-w", path] => machine.exists(path) && shell.may_write(path),
        ["-x", path] => machine.is_folder(path),
        ["-t", _] => false,
        [left, "=" | "==", right] => left == right,
        [left, "!=", right] => left != right,
        [left, "-eq", right] => number(left)? == number(right)?,
        [left, "-ne", right] => number(left)? != number(right)?,
        [left, "-lt", right] => number(left)? < number(right)?,
        [left, "-le", right] => number(left)? <= number(right)?,
        [left, "-gt", right] => number(left)? > number(right)?,
        [left, "-ge", right] => number(left)? >= number(right)?,
        _ => return None,
    })
}
