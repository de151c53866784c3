//! The targets that bundles of these worlds have in common: a line of a bundle that names one stands for it.

/// One target, with everything that depends on who deploys.
const DEV: &str = "  dev:
    default: true
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    run_as:
      service_principal_name: DEPLOYER
    permissions:
      - service_principal_name: DEPLOYER
        level: CAN_MANAGE
      - group_name: users
        level: CAN_VIEW
";

/// Each with a catalog of its own, in a variable; clocks run in prod alone.
const ALL_TIERS: &str = "  dev:
    default: true
    variables: {catalog: dev}
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    presets: {trigger_pause_status: PAUSED}
  staging:
    variables: {catalog: staging}
    workspace:
      host: STAGING-HOST
      root_path: /Workspace/Users/STAGING-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
    presets: {trigger_pause_status: PAUSED}
  prod:
    variables: {catalog: prod}
    workspace:
      host: PROD-HOST
      root_path: /Workspace/Users/PROD-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
";

pub(super) fn written_out(bundle: &str) -> String {
    bundle.replace("  TARGET-DEV\n", DEV).replace("  TARGETS-OF-ALL-TIERS\n", ALL_TIERS)
}
