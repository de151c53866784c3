//! `config`: the effective configuration, each value with the line it comes from.

use std::process::ExitCode;

use super::Desk;
use super::stage::{configuration, surroundings};
use crate::domain::{Failure, Stage};
use crate::inputs::parse::Inputs;
use crate::inputs::raw::Raw;

pub async fn print(raw: Raw) -> Result<ExitCode, Failure> {
    let desk = Desk::lay()?;
    let mut raw = raw.over(desk.raw.clone());
    raw.stage.get_or_insert_with(|| Stage::Validate.name().to_owned());
    let inputs = Inputs::parse(raw, &surroundings(&desk))?;
    let config = configuration(&desk, &inputs).await?;
    print!("{}", config.to_yaml());
    Ok(ExitCode::SUCCESS)
}
