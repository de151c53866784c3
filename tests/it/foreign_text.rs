//! Foreign text stays text, wherever it lands. Judged by a Markdown reader that is not ours.

use mlops_deploy::report::markdown::{block, cell, code, escaped, link, prose};
use mlops_deploy::report::plain;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

/// Texts that people use to break out, and any others.
fn foreign() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\r\n",
        "|",
        "\\",
        "<img src=x>",
        "![i](http://x.y/z)",
        "[l](http://e.vil)",
        "@everyone",
        "@acme/team",
        "#12",
        "http://e.vil",
        "www.e.vil",
        "<!-- ",
        "-->",
        "</details>",
        "<script>",
        "&lt;",
        "&#64;",
        "**",
        "__",
        "# ",
        "- ",
        "> ",
        "1. ",
        "\u{202e}",
        "\u{200b}",
        "\u{1b}[31m",
        "\0",
        "::error::",
        "##[group]",
        " ",
        "a",
        "Ä",
        "[^1]",
        "$x$",
        "===",
        "---",
        "=",
        "*",
        "_a_",
        "[x]: http://y",
        "    code",
        "\t",
        "mailto:a@b.c",
    ]);
    prop::collection::vec(prop_oneof![4 => nasty.prop_map(str::to_owned), 1 => any::<String>()], 0..12)
        .prop_map(|parts| parts.concat())
}

/// What a reader makes of it: anything beyond text, code, and plain blocks is an escape.
fn assert_tame(markdown: &str) {
    for event in Parser::new_ext(markdown, Options::all()) {
        let tame = match &event {
            Event::Text(_) | Event::Code(_) | Event::SoftBreak | Event::End(_) => true,
            Event::Start(tag) => matches!(tag, Tag::Paragraph | Tag::CodeBlock(_)),
            _ => false,
        };
        assert!(tame, "{event:?} in {markdown:?}");
    }
}

/// Text outside of code, as GitHub would look for mentions in it.
fn outside_of_code(markdown: &str) -> String {
    let mut text = String::new();
    let mut in_code = 0;
    for event in Parser::new_ext(markdown, Options::all()) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code += 1,
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => in_code -= 1,
            Event::Text(t) if in_code == 0 => text.push_str(&t),
            _ => {}
        }
    }
    text
}

fn assert_silent(text: &str) {
    let plain: Vec<char> = text.chars().collect();
    for pair in plain.windows(2) {
        assert!(!(matches!(pair[0], '@' | '#') && pair[1].is_alphanumeric()), "{text:?}");
    }
    assert!(!text.contains("://") && !text.to_lowercase().contains("www."), "{text:?}");
}

fn is_seen(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_a_sentence(text in foreign()) {
        for markdown in [prose(&text), escaped(&text), code(&text)] {
            assert_tame(&markdown);
            assert_silent(&outside_of_code(&markdown));
            prop_assert!(markdown.chars().all(is_seen));
        }
    }

    /// An address put together from both sides of a code span that is not there.
    #[test]
    fn in_a_sentence_with_empty_code(scheme in "[a-z]{0,3}:", rest in "(``)?/(``)?/[a-z]{0,3}") {
        assert_silent(&outside_of_code(&prose(&format!("{scheme}``{rest}"))));
    }

    #[test]
    fn in_a_block(text in foreign()) {
        let markdown = block(&text);
        assert_tame(&markdown);
        prop_assert_eq!(outside_of_code(&markdown), "");
    }

    #[test]
    fn after_a_bullet(text in foreign(), name in foreign()) {
        let markdown = format!("- **update** {}: {}\n- last", code(&name), prose(&text));
        let items = Parser::new_ext(&markdown, Options::all()).filter(|e| matches!(e, Event::Start(Tag::Item))).count();
        prop_assert_eq!(items, 2, "{}", markdown);
        let bad = Parser::new_ext(&markdown, Options::all())
            .any(|e| matches!(e, Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Link { .. } | Tag::Image { .. })));
        prop_assert!(!bad, "{}", markdown);
    }

    #[test]
    fn in_a_cell(text in foreign()) {
        let markdown = format!("| a | b |\n| --- | --- |\n| {} | end |\n", cell(&text));
        let cells = Parser::new_ext(&markdown, Options::all()).filter(|e| matches!(e, Event::Start(Tag::TableCell))).count();
        prop_assert_eq!(cells, 4, "{}", markdown);
    }

    #[test]
    fn in_a_link(text in foreign(), url in foreign()) {
        let markdown = link(&text, &format!("https://x.y/{url}"));
        let links: Vec<String> = Parser::new_ext(&markdown, Options::all())
            .filter_map(|e| match e { Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.to_string()), _ => None })
            .collect();
        prop_assert!(links.iter().all(|to| to.starts_with("https://x.y/")), "{:?}", links);
        let markdown = link(&text, "javascript:alert(1)");
        prop_assert!(!Parser::new(&markdown).any(|e| matches!(e, Event::Start(Tag::Link { .. }))), "{}", markdown);
    }

    #[test]
    fn in_a_log(text in foreign()) {
        for line in plain::lines(&text).split('\n') {
            prop_assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{:?}", line);
            prop_assert!(line.chars().all(is_seen));
        }
        prop_assert!(!plain::one_line(&text).contains('\n'));
    }
}

#[test]
fn code_shows_what_was_written() {
    for (text, shown) in [("a", "`a`"), ("a`b", "``a`b``"), ("`a`", "`` `a` ``"), ("", "` `"), ("a\nb", "`a b`")] {
        assert_eq!(code(text), shown);
    }
    assert_eq!(prose("job `a*b` is *late* @all"), "job `a*b` is \\*late\\* @&#8203;all");
    assert_eq!(prose("one ` alone"), "one \\` alone");
    assert_eq!(block("x\n```\ny"), "````text\nx\n```\ny\n````\n");
}
