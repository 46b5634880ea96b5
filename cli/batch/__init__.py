"""`gridpress batch` and `gridpress files`: many pictures from one file of prompts."""
