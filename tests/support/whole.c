/* Everything of planish linked whole: two functions of one name in different folders do not link.
 */
int main(void)
{
    return 0;
}
