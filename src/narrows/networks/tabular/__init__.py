"""Networks for tables with missing values."""
