//! Tags in the form that the cloud below a workspace takes.
//!
//! A cluster and a warehouse hand their tags on to the machines they rent, and each cloud has its own letters.
//! Which cloud it is shows in the workspace's address.

use crate::bundle::passes::names::without_marks;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    Aws,
    Azure,
    Gcp,
}

const AZURE: [&str; 3] = [".azuredatabricks.net", ".databricks.azure.cn", ".databricks.azure.us"];

impl Cloud {
    pub fn of_host(host: &str) -> Self {
        let address = host.split_once("://").map_or(host, |(_, rest)| rest);
        let name = address.split(['/', ':']).next().unwrap_or_default();
        if AZURE.iter().any(|ending| name.ends_with(ending)) {
            Cloud::Azure
        } else if name.ends_with(".gcp.databricks.com") {
            Cloud::Gcp
        } else {
            Cloud::Aws
        }
    }

    pub fn key(self, text: &str) -> String {
        match self {
            Cloud::Azure => replaced(text, |c| is_latin(c) && !"<>*&%;\\/+?".contains(c)),
            Cloud::Aws | Cloud::Gcp => self.value(text),
        }
    }

    pub fn value(self, text: &str) -> String {
        match self {
            Cloud::Aws => replaced(&without_marks(text), |c| {
                c.is_ascii_alphanumeric()
                    || " +-./:=@_".contains(c)
                    || (is_latin(c) && !c.is_ascii() && c.is_alphabetic())
            }),
            Cloud::Azure => replaced(text, is_latin),
            Cloud::Gcp => {
                let plain = replaced(&without_marks(text), |c| c.is_ascii_alphanumeric() || "-._".contains(c));
                plain.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
            }
        }
    }
}

fn is_latin(c: char) -> bool {
    u32::from(c) <= 0xFF
}

fn replaced(text: &str, keeps: impl Fn(char) -> bool) -> String {
    text.chars().map(|c| if keeps(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_own_letters() {
        for (cloud, text, value, key) in [
            (Cloud::Aws, "<b>&</b> é漢ß", "_b___/b_ e_ß", "_b___/b_ e_ß"),
            (Cloud::Azure, "a+b/c é漢", "a+b/c é_", "a_b_c é_"),
            (Cloud::Gcp, " x y/é ", "x_y_e", "x_y_e"),
            (Cloud::Gcp, "--", "", ""),
        ] {
            assert_eq!((cloud.value(text).as_str(), cloud.key(text).as_str()), (value, key), "{cloud:?}");
        }
    }

    #[test]
    fn the_address_of_a_workspace_names_its_cloud() {
        assert_eq!(Cloud::of_host("https://adb-1.2.azuredatabricks.net/?o=1"), Cloud::Azure);
        assert_eq!(Cloud::of_host("1.gcp.databricks.com"), Cloud::Gcp);
        assert_eq!(Cloud::of_host("http://127.0.0.1:80"), Cloud::Aws);
    }
}
