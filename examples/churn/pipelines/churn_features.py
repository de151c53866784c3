"""Reads customer files as they land and keeps the rows that can be scored.

The catalog and the folder come from the pipeline's configuration, never from here: the same file runs in every
environment.
"""

import dlt
from pyspark.sql import functions as F


@dlt.table(comment="Customer files, as they arrived")
def customers_raw():
    return (
        spark.readStream.format("cloudFiles")  # noqa: F821, the runtime gives `spark`
        .option("cloudFiles.format", "csv")
        .option("header", "true")
        .load(spark.conf.get("churn.landing"))  # noqa: F821
    )


@dlt.table(comment="One row per customer, typed")
@dlt.expect_or_drop("has a tenure", "tenure_months >= 0")
@dlt.expect_or_drop("pays something", "monthly_charge > 0")
def customers():
    return dlt.read_stream("customers_raw").select(
        F.col("tenure_months").cast("int"),
        F.col("monthly_charge").cast("double"),
        F.col("support_calls").cast("int"),
        F.col("late_payments").cast("int"),
        F.col("logins_per_week").cast("double"),
        F.col("months_left_in_contract").cast("int"),
        F.col("has_autopay").cast("boolean"),
    )
