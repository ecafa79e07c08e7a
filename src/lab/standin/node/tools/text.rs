//! Tools for files and text.

use super::options;
use crate::lab::standin::node::shell::{Io, Shell};

pub fn call(shell: &mut Shell<'_>, name: &str, arguments: &[&str], io: &mut Io) -> Option<i32> {
    let (flags, rest) = options(arguments, if ["head", "tail", "cut"].contains(&name) { "ncdf" } else { "" });
    let has = |letter| flags.iter().any(|(flag, _)| *flag == letter);
    Some(match name {
        "cat" => {
            let (text, code) = inputs(shell, name, &rest, io);
            io.out += &text;
            code
        }
        "head" | "tail" => {
            let (text, code) = inputs(shell, name, &rest, io);
            if let Some((_, bytes)) = flags.iter().find(|(flag, _)| *flag == 'c') {
                io.out += text.get(..bytes.parse().unwrap_or(0).min(text.len())).unwrap_or_default();
                return Some(code);
            }
            let count = flags.iter().find(|(flag, _)| *flag == 'n').map_or("10", |(_, value)| value);
            let lines: Vec<&str> = text.lines().collect();
            let count = count.parse().unwrap_or(10).min(lines.len());
            let kept = if name == "head" { &lines[..count] } else { &lines[lines.len() - count..] };
            kept.iter().for_each(|line| io.say(line));
            code
        }
        "wc" => {
            let (text, code) = inputs(shell, name, &rest, io);
            let counts = [text.lines().count(), text.split_whitespace().count(), text.len()];
            let wanted = ['l', 'w', 'c'].map(|letter| has(letter) || !(has('l') || has('w') || has('c')));
            let counts: Vec<String> = counts
                .iter()
                .zip(wanted)
                .filter(|(_, wanted)| *wanted)
                .map(|(count, _)| count.to_string())
                .collect();
            io.say(counts.join(" "));
            code
        }
        "sort" | "uniq" => {
            let (text, code) = inputs(shell, name, &rest, io);
            let mut lines: Vec<&str> = text.lines().collect();
            if name == "sort" {
                lines.sort_unstable();
                if has('n') {
                    lines.sort_by_key(|line| line.trim().parse::<i64>().unwrap_or(0));
                }
            }
            if name == "uniq" || has('u') {
                lines.dedup();
            }
            lines.iter().for_each(|line| io.say(line));
            code
        }
        "tr" => {
            let text = io.rest();
            let unescape =
                |set: &str| set.replace("\\n", "\n").replace("\\t", "\t").replace("[:space:]", " \n\t");
            match rest.as_slice() {
                [set] if has('d') => io.out.extend(text.chars().filter(|c| !unescape(set).contains(*c))),
                [from, to] => {
                    let (from, to): (Vec<char>, Vec<char>) =
                        (unescape(from).chars().collect(), unescape(to).chars().collect());
                    io.out.extend(text.chars().map(|c| {
                        let at = from.iter().position(|other| *other == c);
                        at.and_then(|at| to.get(at).or(to.last())).copied().unwrap_or(c)
                    }));
                }
                _ => return Some(io.fail("tr: missing operand", 1)),
            }
            0
        }
        "cut" => {
            let delimiter = flags.iter().find(|(flag, _)| *flag == 'd').map_or("\t", |(_, value)| value);
            let field: usize =
                flags.iter().find(|(flag, _)| *flag == 'f').and_then(|(_, n)| n.parse().ok()).unwrap_or(1);
            let (text, code) = inputs(shell, name, &rest, io);
            for line in text.lines() {
                let mut parts = line.split(delimiter);
                io.say(parts.nth(field.saturating_sub(1)).unwrap_or_default());
            }
            code
        }
        "grep" => grep(shell, &flags, &rest, io),
        "tee" => {
            let text = io.rest();
            io.out += &text;
            let mut code = 0;
            for path in rest {
                let result = match shell.may_write(path) {
                    true => shell.machine.write(path, &text, has('a')).map_err(|why| why.to_string()),
                    false => Err("Permission denied".to_owned()),
                };
                if let Err(why) = result {
                    code = io.fail(format!("tee: {path}: {why}"), 1);
                }
            }
            code
        }
        "ls" => {
            let mut code = 0;
            for path in if rest.is_empty() { vec!["/root"] } else { rest } {
                match shell.machine.list(path) {
                    Ok(mut names) => {
                        names.sort();
                        names.iter().for_each(|name| io.say(name));
                    }
                    Err(_) if shell.machine.exists(path) => io.say(path),
                    Err(why) => code = io.fail(format!("ls: cannot access '{path}': {why}"), 2),
                }
            }
            code
        }
        "mkdir" | "rmdir" | "rm" | "touch" => {
            let mut code = 0;
            for path in rest {
                let result = if !shell.may_write(path) {
                    Err("Permission denied".to_owned())
                } else {
                    match name {
                        "mkdir" if has('p') && shell.machine.is_folder(path) => Ok(()),
                        "mkdir" if has('p') => folders(shell, path),
                        "mkdir" => shell.machine.make_folder(path).map_err(|why| why.to_string()),
                        "rmdir" => shell.machine.remove_folder(path).map_err(|why| why.to_string()),
                        "touch" => shell.machine.write(path, "", true).map_err(|why| why.to_string()),
                        _ if has('f') && !shell.machine.exists(path) => Ok(()),
                        _ => shell.machine.remove_file(path).map_err(|why| why.to_string()),
                    }
                };
                if let Err(why) = result {
                    let what = match name {
                        "mkdir" => format!("cannot create directory '{path}'"),
                        "rmdir" => format!("failed to remove '{path}'"),
                        "touch" => format!("cannot touch '{path}'"),
                        _ => format!("cannot remove '{path}'"),
                    };
                    code = io.fail(format!("{name}: {what}: {why}"), 1);
                }
            }
            code
        }
        "mv" | "cp" => {
            let [from, to] = rest.as_slice() else {
                return Some(io.fail(format!("{name}: missing file operand"), 1));
            };
            if !shell.may_write(to) {
                return Some(
                    io.fail(format!("{name}: cannot create regular file '{to}': Permission denied"), 1),
                );
            }
            let result = shell.machine.read(from).and_then(|text| {
                shell.machine.write(to, &text, false)?;
                if name == "mv" { shell.machine.remove_file(from) } else { Ok(()) }
            });
            result.map_or_else(|why| io.fail(format!("{name}: cannot stat '{from}': {why}"), 1), |()| 0)
        }
        "basename" | "dirname" => {
            let path = rest.first().copied().unwrap_or_default().trim_end_matches('/');
            let (folder, file) = path.rsplit_once('/').unwrap_or((".", path));
            io.say(if name == "basename" { file } else { folder });
            0
        }
        "seq" => {
            let numbers: Vec<i64> = rest.iter().filter_map(|word| word.parse().ok()).collect();
            let (from, to) = match numbers.as_slice() {
                [to] => (1, *to),
                [from, to] => (*from, *to),
                _ => return Some(io.fail("seq: missing operand", 1)),
            };
            (from..=to.min(from.saturating_add(100_000))).for_each(|n| io.say(n.to_string()));
            0
        }
        _ => return None,
    })
}

/// The text of the files, or of standard input if there are none.
fn inputs(shell: &Shell<'_>, name: &str, paths: &[&str], io: &mut Io) -> (String, i32) {
    if paths.is_empty() || paths == ["-"] {
        return (io.rest(), 0);
    }
    let (mut text, mut code) = (String::new(), 0);
    for path in paths {
        match shell.machine.read(path) {
            Ok(found) => text += &found,
            Err(why) => code = io.fail(format!("{name}: {path}: {why}"), 1),
        }
    }
    (text, code)
}

fn folders(shell: &mut Shell<'_>, path: &str) -> Result<(), String> {
    for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0).chain([(path.len(), "")]) {
        if !shell.machine.is_folder(&path[..at]) {
            shell.machine.make_folder(&path[..at]).map_err(|why| why.to_string())?;
        }
    }
    Ok(())
}

fn grep(shell: &Shell<'_>, flags: &[(char, &str)], rest: &[&str], io: &mut Io) -> i32 {
    let has = |letter| flags.iter().any(|(flag, _)| *flag == letter);
    let Some((wanted, paths)) = rest.split_first() else {
        return io.fail("Usage: grep [OPTION]... PATTERNS [FILE]...", 2);
    };
    let mut pattern = if has('F') { regex::escape(wanted) } else { (*wanted).to_owned() };
    if has('w') {
        pattern = format!(r"\b(?:{pattern})\b");
    }
    if has('x') {
        pattern = format!("^(?:{pattern})$");
    }
    let Ok(pattern) = regex::RegexBuilder::new(&pattern).case_insensitive(has('i')).build() else {
        return io.fail(format!("grep: invalid pattern {wanted:?}"), 2);
    };
    let (text, code) = inputs(shell, "grep", paths, io);
    let found: Vec<&str> = text.lines().filter(|line| pattern.is_match(line) != has('v')).collect();
    if has('c') {
        io.say(found.len().to_string());
    } else if has('o') {
        found.iter().flat_map(|line| pattern.find_iter(line)).for_each(|hit| io.say(hit.as_str()));
    } else if !has('q') {
        found.iter().for_each(|line| io.say(line));
    }
    match (found.is_empty(), code) {
        (false, _) if has('q') => 0,
        (_, code) if code != 0 => 2,
        (empty, _) => i32::from(empty),
    }
}
