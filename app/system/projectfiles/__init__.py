"""Files that a person asks for in a project, so that editors and process supervisors start the watch by themselves."""
