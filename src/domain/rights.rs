//! A privilege on a thing of Unity Catalog, and the statement that grants it.

use std::fmt;

use super::ModelName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Securable {
    Catalog,
    Schema,
    /// To the grants API and to SQL a model is a function.
    Model,
    Volume,
}

impl Securable {
    pub fn name(self) -> &'static str {
        match self {
            Securable::Catalog => "catalog",
            Securable::Schema => "schema",
            Securable::Model => "function",
            Securable::Volume => "volume",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    pub securable: Securable,
    /// `prod`, `prod.models`, `prod.models.churn`.
    pub name: String,
    pub privilege: &'static str,
}

impl Right {
    pub fn on(securable: Securable, name: impl Into<String>, privilege: &'static str) -> Self {
        Self { securable, name: name.into(), privilege }
    }

    /// To reach a model at all.
    pub fn to_reach(model: &ModelName) -> [Self; 2] {
        [
            Self::on(Securable::Catalog, &model.catalog, "USE_CATALOG"),
            Self::on(Securable::Schema, format!("{}.{}", model.catalog, model.schema), "USE_SCHEMA"),
        ]
    }

    /// To see a model, to read its files and to run it.
    pub fn to_read(model: &ModelName) -> [Self; 3] {
        let [catalog, schema] = Self::to_reach(model);
        [catalog, schema, Self::on_model(model, "EXECUTE")]
    }

    pub fn on_model(model: &ModelName, privilege: &'static str) -> Self {
        Self::on(Securable::Model, model.to_string(), privilege)
    }

    /// To read and write the files of a volume.
    pub fn to_write(volume: &VolumeName) -> [Self; 4] {
        let [catalog, schema, _] = volume.parts();
        [
            Self::on(Securable::Catalog, catalog, "USE_CATALOG"),
            Self::on(Securable::Schema, format!("{catalog}.{schema}"), "USE_SCHEMA"),
            Self::on(Securable::Volume, volume.to_string(), "READ_VOLUME"),
            Self::on(Securable::Volume, volume.to_string(), "WRITE_VOLUME"),
        ]
    }

    pub fn grant_to(&self, principal: &str) -> String {
        let name = path(&self.name);
        let privilege = self.privilege.replace('_', " ");
        let securable = self.securable.name().to_uppercase();
        format!("GRANT {privilege} ON {securable} {name} TO {}", quoted(principal))
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.privilege.replace('_', " "), self.name)
    }
}

/// A volume of Unity Catalog by its full name, such as `dev.ops.deployments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeName([String; 3]);

impl VolumeName {
    /// The volume that a path such as `/Volumes/dev/ops/deployments/churn` lies in.
    pub fn of_path(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/Volumes/")?.split('/').map(str::to_owned);
        Some(Self([parts.next()?, parts.next()?, parts.next().filter(|name| !name.is_empty())?]))
    }

    fn parts(&self) -> [&str; 3] {
        self.0.each_ref().map(String::as_str)
    }

    /// Whoever may make one runs these.
    pub fn create(&self) -> [String; 2] {
        let [catalog, schema, _] = self.parts();
        let schema = path(&format!("{catalog}.{schema}"));
        [
            format!("CREATE SCHEMA IF NOT EXISTS {schema}"),
            format!("CREATE VOLUME IF NOT EXISTS {}", path(&self.to_string())),
        ]
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// What is known of somebody's right to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Given,
    Lacking,
    /// There is no such thing, or it is not shown to who asks.
    Unseen,
    /// The thing is there, and who may do what with it is not told.
    Untold,
}

fn path(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_can_be_pasted() {
        let model = ModelName::parse("prod.models.churn").unwrap();
        assert_eq!(
            Right::on_model(&model, "CREATE_MODEL_VERSION").grant_to("6f1c-0d52"),
            "GRANT CREATE MODEL VERSION ON FUNCTION `prod`.`models`.`churn` TO `6f1c-0d52`"
        );
        assert_eq!(
            Right::to_reach(&model)[1].grant_to("o`brien"),
            "GRANT USE SCHEMA ON SCHEMA `prod`.`models` TO `o``brien`"
        );
    }
}
