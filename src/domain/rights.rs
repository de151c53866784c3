//! A privilege on a thing of Unity Catalog, and the statement that grants it.

use std::fmt;

use super::ModelName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Securable {
    Catalog,
    Schema,
    /// To the grants API and to SQL a model is a function.
    Model,
}

impl Securable {
    pub fn name(self) -> &'static str {
        match self {
            Securable::Catalog => "catalog",
            Securable::Schema => "schema",
            Securable::Model => "function",
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

    pub fn grant_to(&self, principal: &str) -> String {
        let name: Vec<String> = self.name.split('.').map(quoted).collect();
        let privilege = self.privilege.replace('_', " ");
        let securable = self.securable.name().to_uppercase();
        format!("GRANT {privilege} ON {securable} {} TO {}", name.join("."), quoted(principal))
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.privilege.replace('_', " "), self.name)
    }
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
