//! Short names of users and plain forms of names, as prefixes and tags need them.

use std::iter;

/// The short name of whoever deploys: what is before the `@` of a person's name; of a service
/// principal its display name, or else its application id.
pub fn short_name(user_name: &str, display_name: &str, service_principal: bool) -> String {
    plain(&base(user_name, display_name, service_principal), '_')
}

/// The same for places that take no underscore: app and domain names.
pub fn domain_friendly_name(user_name: &str, display_name: &str, service_principal: bool) -> String {
    plain(&without_marks(&base(user_name, display_name, service_principal)), '-')
}

fn base(user_name: &str, display_name: &str, service_principal: bool) -> String {
    let name = if service_principal && !display_name.is_empty() { display_name } else { user_name };
    let name = if service_principal { name } else { name.split('@').next().unwrap_or(name) };
    name.to_lowercase()
}

/// Letters and digits stay; everything between them becomes one `separator`.
pub fn plain(text: &str, separator: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().map(|c| if c.is_alphanumeric() { c } else { separator }) {
        if c != separator || !(out.is_empty() || out.ends_with(separator)) {
            out.push(c);
        }
    }
    out.truncate(out.trim_end_matches(separator).len());
    out
}

/// `ü` becomes `u`: letters of the Latin blocks lose their marks.
pub fn without_marks(text: &str) -> String {
    text.chars().flat_map(|c| iter::once(base_letter(c))).collect()
}

fn base_letter(c: char) -> char {
    const GROUPS: &[(&str, char)] = &[
        ("ÀÁÂÃÄÅĀĂĄǍ", 'A'),
        ("àáâãäåāăąǎ", 'a'),
        ("ÇĆĈĊČ", 'C'),
        ("çćĉċč", 'c'),
        ("Ď", 'D'),
        ("ď", 'd'),
        ("ÈÉÊËĒĔĖĘĚ", 'E'),
        ("èéêëēĕėęě", 'e'),
        ("ĜĞĠĢ", 'G'),
        ("ĝğġģ", 'g'),
        ("Ĥ", 'H'),
        ("ĥ", 'h'),
        ("ÌÍÎÏĨĪĬĮİǏ", 'I'),
        ("ìíîïĩīĭįǐ", 'i'),
        ("Ĵ", 'J'),
        ("ĵ", 'j'),
        ("Ķ", 'K'),
        ("ķ", 'k'),
        ("ĹĻĽ", 'L'),
        ("ĺļľ", 'l'),
        ("ÑŃŅŇ", 'N'),
        ("ñńņň", 'n'),
        ("ÒÓÔÕÖŌŎŐǑ", 'O'),
        ("òóôõöōŏőǒ", 'o'),
        ("ŔŖŘ", 'R'),
        ("ŕŗř", 'r'),
        ("ŚŜŞŠȘ", 'S'),
        ("śŝşšș", 's'),
        ("ŢŤȚ", 'T'),
        ("ţťț", 't'),
        ("ÙÚÛÜŨŪŬŮŰŲǓ", 'U'),
        ("ùúûüũūŭůűųǔ", 'u'),
        ("Ŵ", 'W'),
        ("ŵ", 'w'),
        ("ÝŶŸ", 'Y'),
        ("ýÿŷ", 'y'),
        ("ŹŻŽ", 'Z'),
        ("źżž", 'z'),
    ];
    if c.is_ascii() {
        return c;
    }
    GROUPS.iter().find(|(letters, _)| letters.contains(c)).map_or(c, |(_, base)| *base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_keep_letters_and_digits() {
        assert_eq!(short_name("Jane.Doe-Smith+x@Foo.com", "", false), "jane_doe_smith_x");
        assert_eq!(domain_friendly_name("Jane.Doe-Smith+x@Foo.com", "", false), "jane-doe-smith-x");
        assert_eq!(short_name("11111111-2222", "CI Deployer (prod)", true), "ci_deployer_prod");
        assert_eq!(short_name("11111111-2222", "", true), "11111111_2222");
        assert_eq!(short_name("Jürgen Müller@x.com", "", false), "jürgen_müller");
        assert_eq!(domain_friendly_name("Jürgen Müller@x.com", "", false), "jurgen-muller");
        assert_eq!(short_name("__a..b__1@x.com@y", "", false), "a_b_1");
    }
}
