//! `$((…))`: 64-bit integers, C's operators.

/// Operators by how tightly they bind, loosest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

/// The value of an expression; `variable` gives the text of names. `None` when it has none.
pub fn value(text: &str, variable: &dyn Fn(&str) -> String) -> Option<i64> {
    let mut reader = Reader { rest: text, variable, depth: 0 };
    let value = reader.level(0)?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    variable: &'a dyn Fn(&str) -> String,
    depth: u32,
}

impl Reader<'_> {
    fn level(&mut self, level: usize) -> Option<i64> {
        let Some(operators) = LEVELS.get(level) else { return self.one() };
        let mut left = self.level(level + 1)?;
        loop {
            self.rest = self.rest.trim_start();
            let longer = ["<<", ">>", "||", "&&", "<=", ">="];
            let Some(operator) = operators.iter().find(|operator| {
                self.rest.starts_with(**operator)
                    && !(operator.len() == 1 && longer.iter().any(|other| self.rest.starts_with(other)))
            }) else {
                return Some(left);
            };
            self.rest = &self.rest[operator.len()..];
            let right = self.level(level + 1)?;
            left = apply(operator, left, right)?;
        }
    }

    fn one(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > 1000 {
            return None;
        }
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let value = self.level(0)?;
            self.rest = self.rest.trim_start().strip_prefix(')')?;
            return Some(value);
        }
        for (sign, change) in
            [("-", i64::wrapping_neg as fn(i64) -> i64), ("+", |value| value), ("~", |value| !value)]
        {
            if let Some(rest) = self.rest.strip_prefix(sign) {
                self.rest = rest;
                return self.one().map(change);
            }
        }
        if let Some(rest) = self.rest.strip_prefix('!') {
            self.rest = rest;
            return self.one().map(|value| i64::from(value == 0));
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return number(word);
        }
        let text = if word.is_empty() { return None } else { (self.variable)(word) };
        if text.trim().is_empty() { Some(0) } else { number(text.trim()) }
    }
}

fn number(word: &str) -> Option<i64> {
    let (negative, digits) = word.strip_prefix('-').map_or((false, word), |digits| (true, digits));
    let value = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn apply(operator: &str, left: i64, right: i64) -> Option<i64> {
    Some(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.wrapping_shl(u32::try_from(right).ok()?),
        ">>" => left.wrapping_shr(u32::try_from(right).ok()?),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.checked_div(right)?,
        _ => left.checked_rem(right)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_their_values() {
        let variable = |name: &str| if name == "n" { "3".to_owned() } else { String::new() };
        for (text, result) in [
            ("1 + 2 * 3", Some(7)),
            ("(1 << n) - 1", Some(7)),
            ("0xff & 0x0f | 16", Some(31)),
            ("-n + unset", Some(-3)),
            ("7 / 2 % 2 == 1 && !0", Some(1)),
            ("1 / 0", None),
            ("1 +", None),
            ("(1", None),
        ] {
            assert_eq!(value(text, &variable), result, "{text}");
        }
    }
}
