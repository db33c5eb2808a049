"""Tables: column types, features and data frames."""
