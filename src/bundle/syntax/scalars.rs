//! What a piece of text without quotes means: the scalar dialect of bundles.
//!
//! It is neither YAML 1.1 nor 1.2: `0o17` and `0b11` are integers, `010` is ten, `1_000` a
//! thousand, `yes` stays text until a boolean field asks, a date is text that cannot be a key.
//! Numbers that the official command cannot hold are errors here too, not rounded silently.

use crate::domain::Node;

/// The type a scalar is read as, by its tag or by its looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    String,
}

impl Kind {
    pub fn tag(self) -> &'static str {
        match self {
            Kind::Null => "!!null",
            Kind::Bool => "!!bool",
            Kind::Int => "!!int",
            Kind::Float => "!!float",
            Kind::Timestamp => "!!timestamp",
            Kind::String => "!!str",
        }
    }
}

/// What an unquoted text looks like.
pub fn looks_like(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Kind::Bool,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan" | ".NaN"
        | ".NAN" => return Kind::Float,
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' if float(text).is_some() => Kind::Float,
        b'0'..=b'9' | b'+' | b'-' => number_or_date(text),
        _ => Kind::String,
    }
}

fn number_or_date(text: &str) -> Kind {
    if is_date(text) {
        return Kind::Timestamp;
    }
    let plain = text.replace('_', "");
    if integer_with_prefix(&plain).is_some_and(|n| i64::try_from(n).is_ok() || u64::try_from(n).is_ok()) {
        return Kind::Int;
    }
    if is_float_form(&plain) && plain.parse::<f64>().is_ok_and(f64::is_finite) { Kind::Float } else { Kind::String }
}

/// The value of a scalar of a known type; none when the text is no such value.
pub fn value(kind: Kind, text: &str) -> Option<Node> {
    match kind {
        Kind::Null => Some(Node::Null),
        Kind::Bool => match text {
            "true" | "True" | "TRUE" => Some(Node::Bool(true)),
            "false" | "False" | "FALSE" => Some(Node::Bool(false)),
            _ => None,
        },
        Kind::Int => integer(text).map(Node::Int),
        Kind::Float => match text.trim_start_matches('+') {
            ".inf" | ".Inf" | ".INF" => Some(Node::Float(f64::INFINITY)),
            "-.inf" | "-.Inf" | "-.INF" => Some(Node::Float(f64::NEG_INFINITY)),
            ".nan" | ".NaN" | ".NAN" => Some(Node::Float(f64::NAN)),
            _ => float(text).map(Node::Float),
        },
        Kind::Timestamp | Kind::String => Some(Node::String(text.to_owned())),
    }
}

/// An integer as written: decimal first, so that `010` is ten, then with a prefix or `_`.
pub fn integer(text: &str) -> Option<i64> {
    let decimal = text.trim_start_matches(['+', '-']);
    if !decimal.is_empty() && decimal.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    if !underscores_separate_digits(text) {
        return None;
    }
    integer_with_prefix(&text.replace('_', ""))?.try_into().ok()
}

/// `0x1f`, `0o17`, `017`, `0b11`, `15`, with a sign, without `_`.
fn integer_with_prefix(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// A decimal or hexadecimal floating point number; `_` only between digits.
pub fn float(text: &str) -> Option<f64> {
    if !underscores_separate_digits(text) {
        return None;
    }
    let plain = text.replace('_', "");
    if is_float_form(&plain) {
        return plain.parse::<f64>().ok().filter(|f| f.is_finite());
    }
    hexadecimal_float(&plain)
}

/// A float as a field of that type takes it from a text: also `inf`, `infinity` and `nan`.
pub fn float_of_text(text: &str) -> Option<f64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest.eq_ignore_ascii_case("inf") || rest.eq_ignore_ascii_case("infinity") {
        return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if text.eq_ignore_ascii_case("nan") { Some(f64::NAN) } else { float(text) }
}

/// `0x1.8p3`.
fn hexadecimal_float(text: &str) -> Option<f64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (mantissa, exponent) = rest.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0f64;
    for digit in whole.chars() {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut scale = 1f64;
    for digit in fraction.chars() {
        scale /= 16.0;
        value += f64::from(digit.to_digit(16)?) * scale;
    }
    let value = value * 2f64.powi(exponent);
    value.is_finite().then_some(if negative { -value } else { value })
}

/// `[-+]? (.digits | digits[.digits]) ([eE][-+]?digits)?`
fn is_float_form(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    mantissa_ok && exponent_ok
}

/// Each `_` stands between two digits, or after a prefix such as `0x`.
fn underscores_separate_digits(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let hexadecimal = matches!(unsigned, [b'0', b'x' | b'X', ..]);
    let prefixed = matches!(unsigned, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let digit = |b: u8| b.is_ascii_digit() || hexadecimal && b.is_ascii_hexdigit();
    unsigned.iter().enumerate().filter(|(_, b)| **b == b'_').all(|(i, _)| {
        let before = i > 0 && (digit(unsigned[i - 1]) || prefixed && i == 2);
        before && unsigned.get(i + 1).is_some_and(|b| digit(*b))
    })
}

/// `2024-1-31`, alone or with a time of day.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((bytes[at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-').map(|p| if p.len() <= 4 { p.parse::<u32>().ok() } else { None });
    let (Some(Some(year)), Some(Some(month)), Some(Some(day))) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day) && time.is_none_or(|(mark, clock)| is_time_of_day(clock, mark != b' '))
}

fn is_time_of_day(text: &str, needs_zone: bool) -> bool {
    let (clock, zoned) = match text.find(['Z', '+', '-']) {
        Some(at) => {
            let zone = &text[at..];
            let ok = zone == "Z" || zone.len() == 6 && zone.as_bytes()[3] == b':';
            if !ok {
                return false;
            }
            (&text[..at], true)
        }
        None => (text, false),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<Option<u32>> = clock.split(':').map(|p| if p.len() <= 2 { p.parse().ok() } else { None }).collect();
    zoned == needs_zone
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && matches!(parts[..], [Some(h), Some(m), Some(s)] if h < 24 && m < 60 && s < 60)
}

/// A float as text in a string field: never with an exponent.
pub fn float_as_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value}")
    }
}

/// A float as messages show it: with an exponent when it is very big or very small.
pub fn float_in_message(value: f64) -> String {
    if !value.is_finite() {
        return float_as_text(value);
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the form `e` always has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Node> {
        value(looks_like(text), text)
    }

    #[test]
    fn integers_are_read_in_every_notation() {
        for (text, number) in [
            ("010", 10),
            ("007", 7),
            ("0o17", 15),
            ("0O17", 15),
            ("1_000", 1000),
            ("0x1F", 31),
            ("0b101", 5),
            ("-010", -10),
            ("+0x1f", 31),
            ("-0o17", -15),
            ("0x_1", 1),
            ("00", 0),
            ("-0", 0),
            ("0_10", 8),
            ("01_0", 8),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("0x7FFFFFFFFFFFFFFF", i64::MAX),
        ] {
            assert_eq!(read(text), Some(Node::Int(number)), "{text}");
        }
    }

    #[test]
    fn floats_are_read_when_no_integer_fits() {
        for (text, number) in [
            ("08", 8.0),
            ("0_8", 8.0),
            ("1e3", 1000.0),
            ("1e-7", 1e-7),
            (".5", 0.5),
            ("5.", 5.0),
            ("+.5", 0.5),
            ("1_0.5", 10.5),
            ("1e1_0", 1e10),
            (".5_0", 0.5),
            ("-9223372036854775809", -9223372036854775809.0),
            ("18446744073709551616", 18446744073709551616.0),
        ] {
            assert_eq!(read(text), Some(Node::Float(number)), "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_number_and_is_none_is_an_error() {
        for text in ["1_", "1__0", "-_1", "0_", "1_e3", "1_.5", "1._5", "9223372036854775808", "0xFFFFFFFFFFFFFFFF"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn everything_else_is_text() {
        for text in [
            "yes",
            "on",
            "No",
            "_1",
            "0xZZ",
            "0o8",
            "12:30",
            "1.2.3",
            "1e",
            "1e1000",
            ".",
            "+",
            "._5",
            "e3",
            ".e3",
            "0x",
            "0b",
            "0x1p-2",
            "inf",
            "2024-13-45",
            "t",
            "2024-01-31",
            "2024-01-31T10:00:00Z",
            "1L",
        ] {
            assert_eq!(read(text), Some(Node::String(text.to_owned())), "{text}");
        }
        assert_eq!(looks_like("2024-1-3"), Kind::Timestamp);
        assert_eq!(looks_like("2024-02-30"), Kind::String);
    }

    #[test]
    fn floats_are_written_as_text_without_an_exponent() {
        assert_eq!(float_as_text(1e-7), "0.0000001");
        assert_eq!(float_as_text(1000.0), "1000");
        assert_eq!(float_as_text(18446744073709551616.0), "18446744073709552000");
        assert_eq!(float_in_message(1e-7), "1e-07");
        assert_eq!(float_in_message(18446744073709551616.0), "18446744073709552000");
    }
}
