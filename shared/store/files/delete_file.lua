-- Deletes a file for its owner, who can't read it any more. Its bytes are due for deletion by upkeep.
-- ARGV: file, tenant.
-- Returns 1, or 0 when the tenant has no such file.

-- needs: file
return delete_file(ARGV[1], ARGV[2]) and 1 or 0
