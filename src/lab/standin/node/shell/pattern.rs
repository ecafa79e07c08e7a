//! Patterns of file names and of `case`.

/// Stands before a character that is not special, because it was quoted.
pub const QUOTED: char = '\u{1}';

/// Whether `text` is what `pattern` describes.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Greedy with one step back to the last star: linear in practice, and no recursion.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match step(&pattern, p, text[t]) {
            Step::Star => {
                star = Some((p + 1, t));
                p += 1;
            }
            Step::To(next) => {
                p = next;
                t += 1;
            }
            Step::No => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

enum Step {
    Star,
    To(usize),
    No,
}

fn step(pattern: &[char], p: usize, c: char) -> Step {
    match pattern.get(p) {
        Some('*') => Step::Star,
        Some('?') => Step::To(p + 1),
        Some('[') => match pattern[p..].iter().skip(2).position(|end| *end == ']') {
            Some(length) => {
                let inner = &pattern[p + 1..p + 2 + length];
                let (negated, set) = match inner.first() {
                    Some('!' | '^') => (true, &inner[1..]),
                    _ => (false, inner),
                };
                if within(set, c) != negated { Step::To(p + length + 3) } else { Step::No }
            }
            None if c == '[' => Step::To(p + 1),
            None => Step::No,
        },
        Some(&QUOTED) if pattern.get(p + 1) == Some(&c) => Step::To(p + 2),
        Some(same) if *same == c => Step::To(p + 1),
        _ => Step::No,
    }
}

fn within(set: &[char], c: char) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set.get(i + 1) == Some(&'-') && i + 2 < set.len() {
            if (set[i]..=set[i + 2]).contains(&c) {
                return true;
            }
            i += 3;
        } else {
            if set[i] == c {
                return true;
            }
            i += 1;
        }
    }
    false
}

/// `text` with every special character marked as quoted.
pub fn quote(text: &str) -> String {
    text.chars().flat_map(|c| if "*?[".contains(c) { vec![QUOTED, c] } else { vec![c] }).collect()
}

/// A pattern without its marks.
pub fn plain(pattern: &str) -> String {
    pattern.replace(QUOTED, "")
}

/// Whether it describes anything but itself.
pub fn special(pattern: &str) -> bool {
    let mut before = ' ';
    pattern.chars().any(|c| {
        let special = "*?[".contains(c) && before != QUOTED;
        before = c;
        special
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (pattern, text, met) in [
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c", "abcd", false),
            ("mon_L3_??", "mon_L3_00", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("\u{1}*", "*", true),
            ("\u{1}*", "a", false),
            ("[", "[", true),
        ] {
            assert_eq!(matches(pattern, text), met, "{pattern} {text}");
        }
        assert!(special("a*") && !special(&quote("a*")));
        assert_eq!(plain(&quote("a*?")), "a*?");
    }
}
