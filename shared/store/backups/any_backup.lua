-- Returns 1 while a backup is under way, else 0.

-- needs: backups
return is_backup_under_way() and 1 or 0
