"""What tests of several folders share."""

pytest_plugins = ["support.pymafx_assets"]
