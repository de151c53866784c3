//! `bundle plan`: what a deployment would change. Only reads.

use super::args::{Output, Plan};
use super::hand::{Done, Hand};
use crate::bundle::syntax::document;
use crate::domain::Severity;

pub async fn run(hand: Hand, args: &Plan) -> Done {
    let mut ready = hand.ready().await?;
    ready.accept_for_deploying()?;
    ready.selected(&args.select)?;
    let state = ready.pull_state().await?;
    ready.check_volume().await?;
    ready.build().await?;
    ready.check_edits(&state, (!args.force).then_some(Severity::Warning)).await?;
    ready.check_branch(args.force)?;
    ready.check_active_runs(&state, false).await?;
    let plan = ready.plan(&state, &args.select).await?;
    if args.quiet > 1 {
        return Ok(());
    }
    match ready.hand.global.output {
        Output::Json => println!("{}", document::pretty(&plan.document(), 2)),
        Output::Text if args.quiet == 1 => println!("{}", plan.counts().plan_line()),
        Output::Text => print!("{}", plan.text()),
    }
    Ok(())
}
