"""What people read, in their language: English stands in the code, the others in a `.po` file each."""
